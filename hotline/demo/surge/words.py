"""Texts of a salt tide, in the words of the trade. All are invented."""

from hotline.demo.texts import Work

TITLE = "咸潮 Salt tide"
SALTY = {
    "water_quality": (
        "水有咸味，煮开也咸。",
        "自来水发咸，泡茶不能喝。",
        "家里有孕妇，水咸能不能喝？",
        "水咸，要求取样检测。",
    ),
    "low_pressure": ("水压突然很小，水还是咸的。", "热水器打不着火，水流很细。", "三楼以上水很小，楼下说是咸潮。"),
    "no_water": ("没有水，听说因为咸潮停泵。", "全屋没水，不知几时恢复。", "整栋楼没有水，要求送水。"),
}
ASKED = ("咨询：听说咸潮来了，水能不能喝？", "我这边的水也有点咸，是不是同一件事？", "问送水车几时到。")
OWN = ("只有我家的水很小，邻居正常。", "厨房水很小，前天刚换了净水器。")
OWN_NOTE = "邻居正常，与咸潮无关：户内净水器滤芯堵塞。"
OWN_DONE = Work("更换户内滤芯，水压恢复正常。", "customer_pipe")
FIRST_NEWS_EN = (
    "A salt tide has reached our intakes. We pump between tides and watch the quality. Water carts are on their way."
)
SECOND_NEWS_EN = (
    "Reservoirs upstream release water against the salt; the chloride falls. All is expected to be well by tonight."
)
NEWS = (
    ("磨刀门水道咸潮上溯，水厂已错峰取水，水质部正在监测。饮用请先静置煮沸，送水车已出发。", FIRST_NEWS_EN),
    ("上游已加大放水压咸，氯度正在下降，预计今晚恢复正常。", SECOND_NEWS_EN),
)
"""News to all callers, in their order, and the same in English."""
RESULT = "水库放水压咸，取水口氯度降至 250 毫克/升以下，管网末梢冲洗完毕，水质复检合格。"
REPLY = "咸潮已退，自来水氯度达标，供水恢复正常。初期请放水片刻再用，不便之处敬请谅解。"
DONE_AGAIN = Work("上门取样，氯度合格；已冲洗立管和水箱。", "no_fault_found")
TOLD_AGAIN = "水样检测合格，立管已冲洗，如仍有异味请再来电。"
