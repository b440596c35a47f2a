"""Opens and makes messages with the official AWS Encryption SDK. Usage: seal_interop.py JOB.json

JOB = {"open": [{message, plaintext, key, context}], "make": [{message, plaintext, key, context, frame_length}]}
with paths of files; key = {"curve": "p256" | "p384", "pem": path} or {"name": text, "hex": 32 bytes}.
Exits with an error at the first message that does not open to its plaintext and context.
"""

import json
import sys
from pathlib import Path

from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateRawAesKeyringInput,
    CreateRawEcdhKeyringInput,
    EphemeralPrivateKeyToStaticPublicKeyInput,
    PublicKeyDiscoveryInput,
    RawEcdhStaticConfigurationsEphemeralPrivateKeyToStaticPublicKey as ToPublicKey,
    RawEcdhStaticConfigurationsPublicKeyDiscovery as Discovery,
)
from aws_cryptography_primitives.smithygenerated.aws_cryptography_primitives.models import (
    ECDHCurveSpec,
)
import aws_encryption_sdk
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy
from cryptography.hazmat.primitives import serialization

CURVES = {"p256": ECDHCurveSpec.ECC_NIST_P256, "p384": ECDHCurveSpec.ECC_NIST_P384}

providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
)


def keyring(key, opening):
    """The keyring of a key: a private PEM opens, a public PEM seals."""
    if "hex" in key:
        return providers.create_raw_aes_keyring(
            input=CreateRawAesKeyringInput(
                key_namespace="camdock",
                key_name=key["name"],
                wrapping_key=bytes.fromhex(key["hex"]),
                wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
            )
        )
    pem = Path(key["pem"]).read_bytes()
    if opening:
        scheme = Discovery(PublicKeyDiscoveryInput(recipient_static_private_key=pem))
    else:
        der = serialization.load_pem_public_key(pem).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        scheme = ToPublicKey(EphemeralPrivateKeyToStaticPublicKeyInput(recipient_public_key=der))
    return providers.create_raw_ecdh_keyring(
        input=CreateRawEcdhKeyringInput(
            curve_spec=CURVES[key["curve"]], key_agreement_scheme=scheme
        )
    )


def check_open(item):
    plain, header = client.decrypt(
        source=Path(item["message"]).read_bytes(), keyring=keyring(item["key"], True)
    )
    if plain != Path(item["plaintext"]).read_bytes():
        sys.exit(f"{item['message']}: another plaintext")
    if dict(header.encryption_context) != item["context"]:
        sys.exit(f"{item['message']}: another context: {header.encryption_context}")
    if header.algorithm != Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY:
        sys.exit(f"{item['message']}: another suite: {header.algorithm}")


def make(item):
    message, _ = client.encrypt(
        source=Path(item["plaintext"]).read_bytes(),
        keyring=keyring(item["key"], False),
        algorithm=Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
        encryption_context=item["context"],
        frame_length=item["frame_length"],
    )
    Path(item["message"]).write_bytes(message)


def main():
    job = json.loads(Path(sys.argv[1]).read_text())
    for item in job["open"]:
        check_open(item)
    for item in job["make"]:
        make(item)
    print(f"opened {len(job['open'])}, made {len(job['make'])}")


if __name__ == "__main__":
    main()
