"""Stock look-ups by the seller's references: by the filter of the list, by a join, or one by one."""
