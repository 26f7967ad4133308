"""What the pages of benefit call things in Chinese.

Invariant: every mode, kind and act of benefit has a word here.
"""

MODES = {
    "seed": "供应种苗",
    "guidance": "技术指导",
    "guaranteed_price": "保价收购",
    "employment": "务工就业",
    "processing": "加工带动",
    "land_shares": "土地林地入股",
    "other": "其他",
}
KINDS = {"cooperative": "合作社", "households": "农户组"}
ACTS = {
    "benefit.group_opened": "带贫：登记合作社或农户组",
    "benefit.linked": "带贫：关联商品",
    "benefit.link_ended": "带贫：终止关联",
    "household.added": "带贫：添加农户",
    "household.left": "带贫：农户退出",
    "household.forgotten": "带贫：删除农户姓名电话",
    "households.read": "带贫：查看农户姓名电话",
    "households.rekeyed": "带贫：更换加密密钥",
}
