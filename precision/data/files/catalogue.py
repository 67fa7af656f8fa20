"""The well-known datasets: what they hold, where their files come from, and how to know them again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file on the net; its content is fixed by its hash, so any mirror serves.

    Attributes:
        name: what it is called on disk.
        size: bytes.
        sha256: 64 hexadecimal digits.
        urls: where to get it, in the order to try.
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A dataset of known content.

    Attributes:
        title: what a report prints.
        train: images to train with, when complete.
        test: images to test with, when complete.
        shape: height, width and channels of one image, or the features of one vector.
        class_names: one name per class or target.
        folder: where its files lie in a data directory; empty if it comes with a library.
        files: what to download.
        task: what a network is asked, one of ``precision.tasks``.
    """

    title: str
    train: int
    test: int
    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    folder: str = ""
    files: tuple[RemoteFile, ...] = ()
    task: str = "classification"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of one image."""
        return self.shape[0], self.shape[1]

    def title_for(self, train: int, test: int) -> str:
        """Return the title, with the counts if images are missing: the results are not comparable then."""
        complete = (train, test) == (self.train, self.test)
        return self.title if complete else f"{self.title} subset ({train}/{test})"


def _idx_files(mirrors: tuple[str, ...], contents: tuple[tuple[int, str], ...]) -> tuple[RemoteFile, ...]:
    parts = [(part, content) for part in ("train", "t10k") for content in ("images-idx3", "labels-idx1")]
    names = [f"{part}-{content}-ubyte.gz" for part, content in parts]
    return tuple(
        RemoteFile(name, size, sha256, tuple(mirror + name for mirror in mirrors))
        for name, (size, sha256) in zip(names, contents, strict=True)
    )


_TEN_DIGITS = tuple("0123456789")
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

ENTRIES: dict[str, Entry] = {
    # E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (its test part).
    "digits": Entry("Digits", 1437, 360, (28, 28, 1), _TEN_DIGITS),
    # R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    "iris": Entry("Iris", 120, 30, (4,), ("setosa", "versicolor", "virginica")),
    # S. Aeberhard and M. Forina, "Wine", UCI, 1992.
    "wine": Entry("Wine", 142, 36, (13,), ("class_0", "class_1", "class_2")),
    # W. Wolberg, O. Mangasarian, N. Street, W. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI, 1993.
    "breast_cancer": Entry("Breast cancer", 455, 114, (30,), ("malignant", "benign")),
    # B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Ann. Statist. 32, 2004.
    "diabetes": Entry("Diabetes", 353, 89, (10,), ("progression",), task="regression"),
    # Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    "mnist": Entry(
        "MNIST",
        60000,
        10000,
        (28, 28, 1),
        _TEN_DIGITS,
        "mnist",
        _idx_files(
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            (
                (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ),
        ),
    ),
    # H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747. MIT licence.
    "fashion_mnist": Entry(
        "Fashion-MNIST",
        60000,
        10000,
        (28, 28, 1),
        _CLOTHES,
        "fashion-mnist",
        _idx_files(
            ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",),
            (
                (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ),
        ),
    ),
    # A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    "cifar10": Entry(
        "CIFAR-10",
        50000,
        10000,
        (32, 32, 3),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        "cifar10",
        (
            RemoteFile(
                "cifar-10-binary.tar.gz",
                170052171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            ),
        ),
    ),
}
