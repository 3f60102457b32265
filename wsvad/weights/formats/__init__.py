"""Layouts of weights that other programs wrote, read without those programs; frozen.

Two kinds of file hold public I3D weights and are not plain tensors: checkpoints of TensorFlow (``tensorflow.py`` over
``sstable.py``, ``wire.py`` and ``crc32c.py``; names in ``inception.py``) and pickles of Caffe2 (``pickles.py``; names
in ``caffe2.py``). No library reads them here: TensorFlow would be a second framework for a few files, and ``pickle``
runs whatever a file says. These readers take numbers out of bytes and execute nothing.

The layouts are finished: nobody writes such files any more, and the files in the catalogue are pinned by their digests.
So the code changes for a defect only. New weights come as ``safetensors`` or as PyTorch files, which libraries read.
"""
