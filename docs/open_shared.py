"""Opens a shared recording with the official AWS Encryption SDK. Usage: open_shared.py KEY.pem ITEM-KEY SEALED OUT"""

import hashlib
import os
import sys

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateRawAesKeyringInput,
    CreateRawEcdhKeyringInput,
    PublicKeyDiscoveryInput,
    RawEcdhStaticConfigurationsPublicKeyDiscovery as Discovery,
)
from aws_cryptography_primitives.smithygenerated.aws_cryptography_primitives.models import ECDHCurveSpec
from aws_encryption_sdk.identifiers import CommitmentPolicy

pem, item_key, sealed, out = sys.argv[1:]
providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)

# The item's own key, out of the message that was sealed to the recipient of the share.
with open(pem, "rb") as key, open(item_key, "rb") as message:
    to_recipient = providers.create_raw_ecdh_keyring(input=CreateRawEcdhKeyringInput(
        curve_spec=ECDHCurveSpec.ECC_NIST_P384,
        key_agreement_scheme=Discovery(PublicKeyDiscoveryInput(recipient_static_private_key=key.read()))))
    own, header = client.decrypt(source=message.read(), keyring=to_recipient)
evidence = header.encryption_context["camdock:evidence-id"]
of_item = providers.create_raw_aes_keyring(input=CreateRawAesKeyringInput(
    key_namespace="camdock", key_name=f"item:{evidence}", wrapping_key=own,
    wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16))

digest = hashlib.sha256()
try:
    with open(sealed, "rb") as source, open(out, "xb") as target, \
            client.stream(mode="d", source=source, keyring=of_item) as message:
        while chunk := message.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
        context = dict(message.header.encryption_context)
except FileExistsError:
    sys.exit(f"{out} exists already")
except BaseException:
    os.unlink(out)  # an unverified beginning is worth nothing
    raise
print("SHA-256:", digest.hexdigest())
for name, value in sorted({**header.encryption_context, **context}.items()):
    print(f"{name}: {value}")
