"""What somebody sent, made safe to hand on: known by its content, made anew without what it says beside its pages.

It is done in a process of its own, with limits: what makes a decoder fail, or work for ever, costs that one file.
"""
