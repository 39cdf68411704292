"""The runtime environment: threads, MPI processes, CPU or GPU, Chainer and OpenCV."""
