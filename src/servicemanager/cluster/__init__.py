"""Who works: leases with terms, by the database's clock."""
