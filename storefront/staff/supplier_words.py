"""What staff read of suppliers and of what they sell: states, acts, papers, reasons.

Invariant: pure; `words` hands them on.
"""

SUPPLIER_STATES = {
    "drafted": "填写中",
    "applied": "待审核",
    "admitted": "可供货",
    "refused": "未通过",
    "suspended": "已暂停",
    "lapsed": "证照到期",
    "closed": "已终止",
}
SUPPLIER_ACTS = {
    "apply": "提交入驻申请",
    "admit": "通过审核",
    "refuse": "不予通过",
    "suspend": "暂停供货",
    "reinstate": "恢复供货",
    "lapse": "证照到期停售",
    "close": "终止合作",
}
SUPPLIER_SEATS = {"applicant": "供应商", "operator": "平台", "clock": "系统（到期）"}
SUPPLIER_KINDS = {"supplier": "供应商", "seller": "第三方推广方"}
SUPPLIER_PAPERS = {
    "licence": "营业执照",
    "food_permit": "食品经营许可或备案",
    "agreement": "协议签字页",
    "account": "开户证明",
    "other": "其他材料",
}
PERMIT_CLASSES = {
    "exempt": "无需许可（只售食用农产品）",
    "filing": "备案（只售预包装食品）",
    "permit": "食品经营（生产）许可",
}
ENTITY_KINDS = {"company": "公司", "cooperative": "合作社", "family_farm": "家庭农场", "sole_trader": "个体工商户"}
OFF_SALE = {
    "draft": "尚未认定发布",
    "accreditation": "认定已失效",
    "supplier": "供应商暂停供货",
    "papers": "供应商证照到期",
    "owner": "供应商自行下架",
}
SUPPLIER_FIELDS = {
    "name": "名称",
    "entity_kind": "主体类型",
    "county_code": "所在县区",
    "credit_code": "统一社会信用代码",
    "permit_class": "食品经营资质",
    "permit_number": "许可或备案编号",
    "permit_until": "许可有效期",
    "licence": "营业执照",
    "food_permit": "食品经营许可或备案",
}
SUPPLIER_AUDIT = {
    **{f"supplier.{act}": f"供应商：{word}" for act, word in SUPPLIER_ACTS.items()},
    "goods.change_asked": "商品：申请变更",
    "goods.change_withdrawn": "商品：撤回变更",
    "goods.change_approved": "商品：通过变更",
    "goods.change_refused": "商品：不通过变更",
    "goods.edited": "商品：修改草稿",
    "goods.repriced": "商品：改价",
    "goods.stock_counted": "商品：盘点",
    "goods.stock_received": "商品：入库",
    "goods.entered": "商品：录入新商品",
    "goods.described": "商品：修改介绍",
    "goods.pack_asked": "商品：申请新规格",
    "goods.pack_added": "商品：添加规格",
    "goods.dispatch_set": "商品：修改发货",
    "goods.offered": "商品：上架",
    "goods.taken_off": "商品：下架",
    "goods.pack_offered": "商品：恢复规格",
    "goods.pack_taken_off": "商品：停售规格",
    "supplier.commission_set": "推广方：设定佣金比例",
    "supplier.opened": "供应商：建档",
    "supplier.amended": "供应商：修改资料",
    "supplier.agreed": "供应商：同意协议",
    "supplier.renewed": "供应商：登记新证照",
    "supplier.paper_added": "供应商：上传资质",
    "supplier.payee_entered": "供应商：登记收款账户",
}
