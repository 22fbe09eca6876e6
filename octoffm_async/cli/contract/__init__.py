"""The commands of ``octoffm contract``, and the options that tell drift from the contract."""
