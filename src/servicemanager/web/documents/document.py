"""What all documents have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Document(BaseModel):
    """Immutable, and nothing in it but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Document, Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    next: str | None = Field(None, description="What to ask for as `after` to get the next part; null at the end.")
