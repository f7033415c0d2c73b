"""Decoding: one item's raw bytes in, the documents found in it out, or the reason why something could not be read."""

from __future__ import annotations

from .api import decode, decode_any
from .base import Decoded, Envelope, Found, Headers, Limits, Options

__all__ = ["Decoded", "Envelope", "Found", "Headers", "Limits", "Options", "decode", "decode_any"]
