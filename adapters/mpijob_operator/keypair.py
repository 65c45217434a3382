# SPDX-License-Identifier: Apache-2.0
"""Draw an SSH key pair: the only chance in the house.

ECDSA on P-521, as mpi-operator draws them, in SEC1 PEM: OpenSSH before 9.6 cannot read
PKCS#8 of other kinds.
"""

import base64

# What the extra brings that has the library for it.
NEEDED = "pip install 'mpijob[operator]'"


def key_pair() -> tuple[str, str]:
    """Return a private and a public key, each in base64 as a Secret's `data` has it.

    Raises:
        ModuleNotFoundError: The library for it is not installed.
    """
    from cryptography.hazmat.primitives import (  # noqa: PLC0415 - of the extra.
        serialization,
    )
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415 - as above.
        ec,
    )

    key = ec.generate_private_key(ec.SECP521R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return _encoded(private), _encoded(public + b"\n")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
