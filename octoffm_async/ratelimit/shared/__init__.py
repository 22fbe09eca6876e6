"""Rate limits that many processes share: leases of a budget that a store keeps."""
