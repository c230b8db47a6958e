"""What an endpoint asks of whoever calls it, as dependencies of FastAPI.

The gate has let somebody in before an endpoint runs, and put a `Viewer` into `request.state.viewer`. A refusal here is
an HTTPException whose detail is a whole sentence; the application shows it as a page or as problem+json.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from servicemanager.web.viewer import Viewer


def viewer(request: Request) -> Viewer:
    """Who asks. 401 where the gate let nobody in, which no closed path does."""
    found = getattr(request.state, "viewer", None)
    if not isinstance(found, Viewer):
        raise HTTPException(401, "Sign in to see this.")
    return found


def acting(asking: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    """Who acts: an administrator. 403 otherwise."""
    if not asking.may_act:
        raise HTTPException(403, f"{asking.name} may read, but not act: only accounts with the role admin may.")
    return asking


def seeing_configuration(asking: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    """Who looks at the settings: anybody but a guest. 403 otherwise."""
    if not asking.may_see_configuration:
        raise HTTPException(403, f"{asking.name} is a guest, and guests do not see the configuration.")
    return asking


#: For signatures: `def start(by: Acting) -> …`.
Seeing = Annotated[Viewer, Depends(viewer)]
Acting = Annotated[Viewer, Depends(acting)]
SeeingConfiguration = Annotated[Viewer, Depends(seeing_configuration)]
