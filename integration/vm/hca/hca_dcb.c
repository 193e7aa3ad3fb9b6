// SPDX-License-Identifier: GPL-2.0
/* Priority flow control of an Ethernet PF, as its administrator sets it; the kernel itself keeps the DSCP map. */

#include <net/dcbnl.h>

#include "hca.h"

static int hca_get_pfc(struct net_device *dev, struct ieee_pfc *pfc)
{
	struct hca_fn *fn = hca_fn_of(dev);

	pfc->pfc_cap = IEEE_8021QAZ_MAX_TCS;
	pfc->pfc_en = fn->pf->pfc;
	return 0;
}

static int hca_set_pfc(struct net_device *dev, struct ieee_pfc *pfc)
{
	struct hca_fn *fn = hca_fn_of(dev);

	if (fn->pf->knobs.pfc_errno)
		return -(int)fn->pf->knobs.pfc_errno;
	fn->pf->pfc = pfc->pfc_en;
	return 0;
}

static u8 hca_get_dcbx(struct net_device *dev)
{
	struct hca_fn *fn = hca_fn_of(dev);

	if (fn->pf->knobs.dcbx_by_firmware)
		return DCB_CAP_DCBX_LLD_MANAGED | DCB_CAP_DCBX_VER_IEEE;
	return DCB_CAP_DCBX_HOST | DCB_CAP_DCBX_VER_IEEE;
}

static const struct dcbnl_rtnl_ops hca_dcbnl_ops = {
	.ieee_getpfc = hca_get_pfc,
	.ieee_setpfc = hca_set_pfc,
	.getdcbx = hca_get_dcbx,
};

void hca_dcb_init(struct net_device *dev)
{
	dev->dcbnl_ops = &hca_dcbnl_ops;
}
