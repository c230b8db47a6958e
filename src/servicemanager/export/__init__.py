"""What moves readings into the archive and, once proven, out of the database."""
