// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: its folder has no floor.
#pragma once

