"""The paper forms of a window (窗口五张表) and its receipt: what stands on each, for whoever may print it."""
