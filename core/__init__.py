"""The work of the pack: no node API in here."""
