int no_spdx_and_no_once;
