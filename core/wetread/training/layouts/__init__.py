"""Layouts of labelled data sets, one a file: each turns a folder into entries that load pictures with named masks.

A layout has `detect(root)` and `index(root, options)`. Indexing reads lists, names and headers; pixels are read by
`Entry.load`, in whatever process that is called. What is wrong with one item never stops the others.
"""
