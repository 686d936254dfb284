#!/bin/sh
# Says which Debian packages the tests of `make test-debian` want; installs nothing.
set -u
missing=
have() {
    command -v "$1" >/dev/null 2>&1 || PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}
have Orthanc || missing="$missing orthanc"
[ -n "$(find /usr/share/orthanc /usr/lib/orthanc -name '*DicomWeb*' 2>/dev/null)" ] || missing="$missing orthanc-dicomweb"
have dsrdump || missing="$missing dcmtk"
[ -e /usr/share/java/pixelmed.jar ] || missing="$missing libpixelmed-java"
[ -n "$(find /usr/lib/postgresql -name initdb 2>/dev/null)" ] || missing="$missing postgresql"
have ip || missing="$missing iproute2"
have java || missing="$missing default-jre-headless"
if [ -n "$missing" ]; then
    echo "wetread: not installed:$missing; their tests will be skipped. On Debian and Ubuntu:"
    echo "    apt-get install --no-install-recommends$missing"
else
    echo "wetread: Orthanc with DICOMweb, dcmtk, PixelMed and PostgreSQL found"
fi
