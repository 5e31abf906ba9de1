"""The steps of curation: each looks at documents and says keep, change, or drop with a reason and a score."""
