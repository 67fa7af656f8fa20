"""Data sets, one family per file; importing this package registers them all."""

from precision.data.sources import cifar as cifar
from precision.data.sources import csv as csv
from precision.data.sources import digits as digits
from precision.data.sources import image_folder as image_folder
from precision.data.sources import mnist as mnist
from precision.data.sources import npy as npy
from precision.data.sources import npz as npz
from precision.data.sources import tables as tables
