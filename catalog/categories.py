"""The shelves that goods are sorted onto.

Invariant: keys are stable and go into URLs; names are for people.
"""

NAMES = {
    "tea": "茶叶花茶",
    "fruit": "新鲜水果",
    "vegetable": "蔬菜薯类",
    "grain": "粮油面点",
    "meat": "肉禽蛋品",
    "fish": "水产河鲜",
    "bean": "豆制品",
    "nut": "坚果干货",
    "preserve": "酱菜罐头",
    "herb": "滋补药材",
    "craft": "手工艺家纺",
    "wine": "地方名酒",
}
