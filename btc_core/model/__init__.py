"""The words of the domain as plain values (standard library and msgspec only)."""
