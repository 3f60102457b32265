"""Readers of weight formats of other frameworks, without those frameworks; frozen code.

Two kinds of files with public I3D weights are not plain tensors: TensorFlow checkpoints (``tensorflow.py``, based on
``sstable.py``, ``protobuf.py`` and ``crc32c.py``; names in ``inception.py``) and Caffe2 pickles (``pickles.py``; names
in ``caffe2.py``). No library is used for them: TensorFlow would be a second framework for a few files, and ``pickle``
executes code in a file. These readers only extract arrays and execute nothing.

The formats are frozen: such files are no longer written, and the files in the catalogue are pinned by digest. This code
therefore changes only to fix defects. New weights use ``safetensors`` or PyTorch files, which libraries read.
"""
