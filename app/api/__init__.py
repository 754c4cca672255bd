"""The HTTP face, a file per resource: parse, authorise, call one verb, answer."""
