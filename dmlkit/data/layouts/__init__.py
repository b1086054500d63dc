"""The official folder layouts of the benchmarks: each file reads one, and draws a miniature in it."""
