// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: no, this one is right.
#pragma once

