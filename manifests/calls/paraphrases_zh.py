"""Chinese tickets in other words, with the same parts as the English ones."""

from __future__ import annotations

from phrases_zh import CONTACTS, PLACES, SITE_WEIGHTS, SLOTS

__all__ = ["CONTACTS", "PLACES", "SITE_WEIGHTS", "SLOTS"]

ISSUES = {
    "billing": (
        "{product}收了两遍钱",
        "账单上{product}的价格开错了",
        "买{product}刷卡被拒绝了",
        "折扣码失效了，没有抵扣",
        "没有订会员，又扣了{amount}",
        "会计要{product}的收据",
    ),
    "shipping": (
        "我订的{product}到哪里了",
        "快递单查不到，停了{days}天",
        "快递员把{product}放错地方了",
        "包装烂了，{product}露在外面",
        "订单少了一件，没有发全",
        "请把{product}送到公司，要改地址",
    ),
    "hardware": (
        "{product}坏了，按了没反应",
        "{motor}嗡嗡响，一直震动",
        "{cordless}的充电器坏了，充不上",
        "{product}的按钮掉了",
        "{product}很烫，自己关机",
        "哪里能买{product}的备用电池",
    ),
    "app": (
        "App卡住，打不开{product}",
        "{product}断网了，App里搜不到",
        "换新版以后App报错",
        "App里{product}的定时没了",
        "App的提醒很晚才来",
        "{product}配网失败，卡在一半",
    ),
    "account": (
        "我进不去账号了",
        "登录的短信没有来",
        "请帮我删除账号",
        "{device}上密码无效",
        "怎么邀请家人进我的账号",
        "账号里的手机号换了，要改",
    ),
    "returns": (
        "{product}要退，怎么办",
        "{product}退的钱没收到",
        "请发{product}的退货地址",
        "{product}和图片不同，退了吧",
        "几天内可以退{product}",
        "拍错型号了，{product}想换",
    ),
}

ALARMS = {
    "hardware": ("{product}着火冒烟", "{cordless}的电池漏液鼓起来了"),
    "account": ("我的账号被陌生人盗了",),
    "billing": ("有人用我的卡在你们商城盗刷",),
}
WISHES = {
    "app": ("建议App加个深色模式",),
    "shipping": ("希望{product}的箱子少用塑料",),
    "hardware": ("希望下一代{product}出个小的",),
}
TONES = {
    "urgent": (
        "非常着急！",
        "请马上打电话，等不及了。",
        "店里不能开门了。",
        "客人明天就到，请立刻解决。",
        "今晚之前必须弄好。",
    ),
    "low": (
        "不用急，慢慢来。",
        "方便的时候看看就行。",
        "过几天再说也可以。",
        "就问问。",
        "小事，不要紧。",
    ),
}
PLACE_SENTENCES = ("店在{place}。", "城市：{place}。", "我家在{place}。")
PLACE_FRAMES = ("在{place}，{issue}", "{place}的公司里{issue}")
OPENERS = ("请问，", "你好！")
ORDERS = ("订单是{order}。", "单号{order}。")
DETAILS = ("见照片。", "别的都正常。", "{month}买的。")
CLOSINGS = ("感谢！", "多谢。", "麻烦您了。")
