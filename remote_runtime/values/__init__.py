"""Values between two kernels: groups that share references, their digests, and the way there and back.

Also loaded in the far kernel, where nothing else of Farcell is: only relative imports, the standard library and
cloudpickle; other libraries are looked for among those that are loaded. Start reading at `codec`.
"""
