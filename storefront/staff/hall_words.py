"""What staff read of halls, zones and targets: the Chinese word for each kind, state, subject and act.

Invariant: pure; `words` hands them on.
"""

HALL_KINDS = {"local": "地方馆", "enterprise": "企业馆", "zone": "专区"}
HALL_PRESENCES = {"online": "线上", "physical": "线下"}
ZONE_KINDS = {
    "supermarket": "商超",
    "wholesale": "批发市场",
    "scenic_spot": "景区",
    "hotel": "酒店",
    "visitor_centre": "游客中心",
    "service_area": "服务区",
}
SUBJECTS = {
    "online_hall": "线上地方馆",
    "physical_hall": "实体地方馆",
    "enterprise_hall": "企业馆",
    "online_zone": "线上专区",
    "physical_zone": "线下专区",
    "accredited_products": "认定商品",
    "sales": "销售额",
    "buyers": "采购单位",
    "cabinets": "智能专柜",
}
HALL_STATES = {"drafted": "草稿", "open": "开放", "closed": "已关闭"}
HALL_ACTS = {"open": "开放", "close": "关闭"}
TOLD = {
    "hall.drafted": "新建馆或专区",
    "hall.amended": "修改馆的信息",
    "hall.open": "开放馆",
    "hall.closed": "关闭馆",
    "hall.shelved": "整理货架",
    "hall.picture_hung": "更换馆的图片",
    "hall.picture_taken_down": "撤下馆的图片",
    "hall.code_minted": "生成馆的二维码",
    "target.set": "修改目标",
}
DETAILS = {
    "due_on": "期限",
    "presence": "线上线下",
    "region": "地区",
    "shelves": "货架",
    "picture": "图片",
    "code": "编号",
}
