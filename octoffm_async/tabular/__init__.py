"""Files of rows as items to send: CSV, JSON lines, Parquet and XLSX."""
