// SPDX-License-Identifier: Apache-2.0
// No breach: the macro ends where the header does.
#pragma once

#define MOLMO_PASSING 1
#undef MOLMO_PASSING
