"""Figures about the work of readers and model: `queries` counts in the database, `statistics` computes, `work`, `model`
and `inputs` make tables of it, `tables` and `charts` show them. Nothing here names a person or a case.
"""
