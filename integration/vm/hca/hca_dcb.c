// SPDX-License-Identifier: GPL-2.0
/* Priority flow control, shares of traffic classes and buffers of an Ethernet PF, as its administrator sets them; the kernel itself keeps the DSCP map. */

#include <net/dcbnl.h>

#include "hca.h"

#define HCA_BUFFER 262144

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

static int hca_get_ets(struct net_device *dev, struct ieee_ets *ets)
{
	*ets = hca_fn_of(dev)->pf->ets;
	ets->ets_cap = IEEE_8021QAZ_MAX_TCS;
	return 0;
}

static int hca_set_ets(struct net_device *dev, struct ieee_ets *ets)
{
	hca_fn_of(dev)->pf->ets = *ets;
	return 0;
}

static int hca_get_buffer(struct net_device *dev, struct dcbnl_buffer *buffer)
{
	*buffer = hca_fn_of(dev)->pf->buffer;
	buffer->total_size = HCA_BUFFER;
	return 0;
}

/* The port's memory is all there is, as on mlx5. */
static int hca_set_buffer(struct net_device *dev, struct dcbnl_buffer *buffer)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < DCBX_MAX_BUFFERS; i++)
		sum += buffer->buffer_size[i];
	if (sum > HCA_BUFFER)
		return -EINVAL;
	hca_fn_of(dev)->pf->buffer = *buffer;
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
	.ieee_getets = hca_get_ets,
	.ieee_setets = hca_set_ets,
	.dcbnl_getbuffer = hca_get_buffer,
	.dcbnl_setbuffer = hca_set_buffer,
	.ieee_getpfc = hca_get_pfc,
	.ieee_setpfc = hca_set_pfc,
	.getdcbx = hca_get_dcbx,
};

void hca_dcb_init(struct net_device *dev)
{
	dev->dcbnl_ops = &hca_dcbnl_ops;
}
