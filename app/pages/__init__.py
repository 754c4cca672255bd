"""Pages for people, made here whole: they work without scripts."""
