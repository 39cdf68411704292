"""What the program runs on: threads, processes of mpiexec, CPU or GPU, Chainer and OpenCV."""
