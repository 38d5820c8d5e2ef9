"""A name, folder or zip enters; uint8 images in memory leave, with labels if there are any, and a fingerprint.

Start with ``datasets``, which other folders import from. ``builtin`` finds and downloads the data sets that have a
name, ``mnist`` reads those made of digits or clothing, ``listing`` opens a folder or zip, ``decode`` turns its files
into pixels, and ``cache`` keeps tensors that are slow to make. ``pixels`` converts between stored and network ranges.
"""
