"""What a job is, and how one run of it is led: lease, fence, progress, record."""
