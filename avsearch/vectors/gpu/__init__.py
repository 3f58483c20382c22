"""Search on NVIDIA GPUs, by the GPU builds of faiss: it names rows, their own vectors decide as everywhere."""
