# SPDX-License-Identifier: Apache-2.0
# A package whose CMake file ends in an error, as oneDNN's of Debian 12 does where OpenCL's headers are absent.
message(FATAL_ERROR "broken on purpose")
