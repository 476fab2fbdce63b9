"""Texts in several scripts, of 20 words and more, that have nothing in common."""

LONG = (
    "The lighthouse keeper's log of 1871 records, in a hurried hand, that three fishing boats came home without their "
    "nets after the great storm; no one on the island had seen waves like these since his grandfather's time, and "
    "the harbour wall, which was built of soft stone, had lost its upper course along half of its length."
)
"""58 words."""
OTHER = (
    "Nobody who keeps bees in a city should expect them to be quiet in June when the lime trees are in flower again."
)
"""23 words."""
CHINESE = "灯塔看守人在一八七一年的日志里匆匆写道，三艘渔船在大风暴之后没有带着渔网回家；岛上没有人见过这样的海浪。"
JAPANESE = (
    "灯台守の日誌には、大嵐のあとに三そうの漁船が網を失って港へ帰ってきたと、急いだ字で書かれており、"
    "島の人々は誰もそのような波を見たことがなかった。"
)
THAI = "บันทึกของผู้ดูแลประภาคารเขียนไว้ว่าเรือประมงสามลำกลับบ้านโดยไม่มีอวนหลังจากพายุใหญ่พัดผ่านเกาะไปเมื่อคืนก่อนนี้"
HINDI = (
    "प्रकाशस्तंभ के रखवाले की डायरी में लिखा है कि बड़े तूफ़ान के बाद मछली पकड़ने वाली तीन नावें अपने जालों के बिना घर लौटीं और द्वीप पर "
    "किसी ने ऐसी लहरें पहले कभी नहीं देखी थीं।"
)
ARABIC = (
    "يذكر سجل حارس المنارة أن ثلاثة قوارب صيد عادت إلى الميناء بلا شباكها بعد العاصفة الكبيرة التي ضربت الجزيرة في "
    "ليلة الشتاء الأولى من ذلك العام البعيد."
)
LANGUAGES = [LONG, CHINESE, JAPANESE, THAI, HINDI, ARABIC]
