// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: contexts, protection domains, and no memory regions. */
#include "hca.h"

struct hca_ucontext {
	struct ib_ucontext ibucontext;
};

struct hca_pd {
	struct ib_pd ibpd;
};

static int hca_alloc_ucontext(struct ib_ucontext *context,
			      struct ib_udata *udata)
{
	return 0;
}

static void hca_dealloc_ucontext(struct ib_ucontext *context)
{
}

static int hca_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static int hca_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static struct ib_mr *hca_get_dma_mr(struct ib_pd *pd, int access)
{
	return ERR_PTR(-EOPNOTSUPP);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static struct ib_mr *hca_reg_user_mr(struct ib_pd *pd, u64 start, u64 length,
				     u64 address, int access,
				     struct ib_dmah *dmah,
				     struct ib_udata *udata)
#else
static struct ib_mr *hca_reg_user_mr(struct ib_pd *pd, u64 start, u64 length,
				     u64 address, int access,
				     struct ib_udata *udata)
#endif
{
	return ERR_PTR(-EOPNOTSUPP);
}

static int hca_dereg_mr(struct ib_mr *mr, struct ib_udata *udata)
{
	return 0;
}

const struct ib_device_ops hca_verbs_ops = {
	.alloc_ucontext = hca_alloc_ucontext,
	.dealloc_ucontext = hca_dealloc_ucontext,
	.alloc_pd = hca_alloc_pd,
	.dealloc_pd = hca_dealloc_pd,
	.get_dma_mr = hca_get_dma_mr,
	.reg_user_mr = hca_reg_user_mr,
	.dereg_mr = hca_dereg_mr,
	INIT_RDMA_OBJ_SIZE(ib_ucontext, hca_ucontext, ibucontext),
	INIT_RDMA_OBJ_SIZE(ib_pd, hca_pd, ibpd),
};
