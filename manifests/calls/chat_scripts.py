"""What is said in support chats: (customer, assistant) turns by topic."""

from __future__ import annotations

Turn = tuple[str, str]

_EN: tuple[tuple[Turn, ...], ...] = (
    (
        (
            "(Hi, |Hello! |)how do I reset (my|the) {product} to factory settings?",
            "Hold the (reset|power) button of the {product} for (ten|fifteen) seconds until the "
            "light turns white. (It restarts by itself|It then restarts), which takes about two "
            "minutes.",
        ),
        (
            "(Will I|Do I) lose my (schedules|settings) (if I do that|then)?",
            "Yes, schedules on the device are (erased|removed). If you are signed in, the app "
            "keeps a copy for (30|60) days and offers to restore it.",
        ),
        (
            "(And how|How) do I restore (that copy|them)?",
            "Open the app, tap the {product}, then Settings, Backup, Restore. (Pick the newest "
            "date|The newest copy is on top).",
        ),
    ),
    (
        (
            "(My|The) {product} (keeps dropping|drops) off the wifi (every night|twice a day), "
            "(what can I do|any idea)?",
            "(Sorry about that.|That is annoying, sorry.) Please check that your router offers "
            "2.4 GHz, and (move the {product} closer for a test|restart both once). Does the "
            "light blink blue or orange?",
        ),
        (
            "(It blinks|The light is) (orange|blue)(.| I think.)",
            "Thank you. (That means the password is fine but the signal is weak|That is a weak "
            "signal). A spot with less metal around it, or a second mesh point, will help.",
        ),
    ),
    (
        (
            "(What does|How long is) the warranty (cover for|on) the {product}(, please|)?",
            "The {product} has (two|three) years of warranty on defects. Filters, brushes and "
            "damage from (water|a fall) are not covered.",
        ),
        (
            "(I bought it|Mine is from) in {month}(, is it still covered|. Am I covered)?",
            "Yes, (you are well within|it is inside) the warranty. Keep the (invoice|order number) "
            "at hand when you ask for a repair.",
        ),
    ),
    (
        (
            "Where is (my order|order) {order}? (It should be here by now.|I ordered {days} days "
            "ago.|)",
            "I cannot see parcels from this chat, but the link in your (shipping message|order "
            "page) shows it live. Orders usually take (three to five|two to four) working days.",
        ),
        (
            "The link (shows nothing|says unknown)(.| yet.)",
            "Then it has (probably|most likely) not left the warehouse. If nothing moves by "
            "tomorrow evening, write to us and we will trace {order}.",
        ),
    ),
    (
        (
            "(Can I|Is it possible to) use the {product} without (the cloud|an account)?",
            "Yes, basic functions work (locally|without it): on, off and the timer. (Remote "
            "access|Voice control) and history need an account.",
        ),
        (
            "(Where is|And where is) my data (stored|kept) (then|if I do use it)?",
            "In the region you chose when you signed up. You can (export or erase|erase) all of "
            "it under Profile, Privacy.",
        ),
        (
            "(How long|And how long) does erasing take?",
            "At most (seven|ten) days, and you get a message when it is done.",
        ),
    ),
    (
        (
            "(Which|What) filter (do I need|fits) for my (Mist 2 purifier|air purifier)?",
            "The (F2|round F2) filter fits. (It lasts about six months|We suggest a new one every "
            "six months), sooner with pets or smoke.",
        ),
        (
            "(Can I wash it|Is it washable)?",
            "The outer mesh, yes; the inner filter, no. (Let the mesh dry for a day|Dry the mesh "
            "fully) before you put it back.",
        ),
    ),
    (
        (
            "(Does|Will) the {product} work with (my voice assistant|other brands)?",
            "It (speaks|supports) Matter, so (most|nearly all) assistants and hubs find it. Open "
            "the app, More, Link, and scan the code there.",
        ),
        (
            "(The code does not scan.|It says the code is invalid.)",
            "Please type the 11 digits under the code instead. (A code works once|Each code can "
            "be used once), so make a new one if it was used before.",
        ),
    ),
    (
        (
            "(I want to|How can I) share (my|the) {product} with (my partner|a flatmate)(.|?)",
            "In the app: Home, Members, Invite. (They|The new member) must accept within (24|48) "
            "hours and can then control the {product}.",
        ),
        (
            "Can (they|a member) (delete|change) (my schedules|things)?",
            "Only if you make them an administrator. A plain member can (use|switch) it, nothing "
            "more.",
        ),
    ),
)

_ZH: tuple[tuple[Turn, ...], ...] = (
    (
        (
            "(你好，|请问|)怎么把{product}恢复出厂设置？",
            "长按{product}的(复位键|电源键)(十|十五)秒，等指示灯变白后松手，设备会自动重启，大约两分钟。",
        ),
        (
            "(这样|恢复后)定时会不会丢？",
            "设备里的定时会清空。登录过账号的话，云端备份会保留(30|60)天，重新绑定时可以恢复。",
        ),
        ("怎么恢复备份？", "打开App，点{product}，设置，备份与恢复，选最新的日期就可以。"),
    ),
    (
        (
            "{product}(老是|每天晚上)掉线，怎么办？",
            "(抱歉给您带来不便。|不好意思。)请先确认路由器开了2.4G频段，再把{product}(靠近路由器试试|重启一次)。指示灯是什么颜色？",
        ),
        (
            "(闪橙色|橙色在闪|蓝色闪烁)。",
            "谢谢，这说明密码没问题，是信号偏弱。(换个离金属远的位置|加一个子路由)一般就好了。",
        ),
    ),
    (
        (
            "{product}保修多久？",
            "{product}保修(两|三)年，覆盖质量问题；滤网、边刷等耗材和(进水|摔落)不在保修范围内。",
        ),
        ("(我|我家的){month}买的，还在保吗？", "还在保修期内，报修时请准备好(发票|订单号)。"),
    ),
    (
        (
            "订单{order}到哪里了？(等了{days}天了。|)",
            "这里看不到物流，您可以在订单页点物流查看实时位置，一般(三到五|两到四)个工作日送达。",
        ),
        (
            "物流页(是空的|什么都没有)。",
            "可能还没出库。明天晚上还没有更新的话，请再联系我们，我们来追踪{order}。",
        ),
    ),
    (
        (
            "{product}(不注册账号|不联网)能用吗？",
            "可以，开关和定时在本地就能用；(远程控制|语音控制)和历史记录需要账号。",
        ),
        (
            "(数据|我的数据)存在哪里？",
            "存在您注册时选择的地区，在我的、隐私里可以随时(导出或删除|删除)。",
        ),
        ("删除要多久？", "最多(七|十)天，完成后会有通知。"),
    ),
    (
        (
            "净化器用哪(种|个)滤芯？",
            "(F2|圆形F2)滤芯，大约六个月换一次，家里有宠物或烟味要换得勤一些。",
        ),
        ("可以水洗吗？", "外层滤网可以洗，(晾干一天|完全晾干)再装；内芯不能水洗。"),
    ),
    (
        (
            "(怎么|如何)把{product}分享给(家人|室友)？",
            "在App里点家庭、成员、邀请，对方(24|48)小时内接受就能控制{product}。",
        ),
        ("对方能删我的定时吗？", "普通成员只能使用，不能修改；设为管理员才可以。"),
    ),
)

FOLLOW_UPS: dict[str, tuple[Turn, ...]] = {
    "en": (
        (
            "(OK|Alright), (that worked|it works now)(!|. Great.)",
            "(Glad to hear it|Wonderful)! Is there anything else I can do for you?",
        ),
        (
            "And (what if|if) (it|that) does not help?",
            "Then (open|please open) a ticket with the serial number of your {product}, and a "
            "technician will look at it within (one|two) working days.",
        ),
        (
            "(How much|What) would a repair cost (me|)?",
            "Within the warranty nothing. After it, (the price is agreed with you first|you get a "
            "quote first), usually between {amount} and twice that.",
        ),
        (
            "(Can I|May I) talk to a (person|human)?",
            "(Of course|Sure). Our team answers on weekdays from 9 to 18. I have left a note so "
            "that you need not repeat yourself.",
        ),
        (
            "(Thanks|Thank you)(!|, bye.| very much.)",
            "You are welcome. (Have a good day|Take care)!",
        ),
        (
            "(Sorry, one|One) more thing: is there a manual (as PDF|in English)?",
            "Yes, at lanhai.example.com/manuals, (sorted by model|just search for the model).",
        ),
    ),
    "zh": (
        ("(好的|可以了)，(已经好了|现在正常了)！", "(太好了|很高兴帮到您)！还有其他问题吗？"),
        (
            "还是不行(怎么办|呢)？",
            "请提交工单并写上{product}的序列号，工程师会在(一|两)个工作日内联系您。",
        ),
        ("维修(要多少钱|贵吗)？", "保修期内免费，过保会先报价，一般从{amount}起。"),
        ("(能转人工吗|我要人工)？", "可以，人工客服工作日9点到18点在线，我已经备注了您的情况。"),
        ("(谢谢|多谢)(！|，再见。)", "不客气，祝您生活愉快！"),
        ("有(说明书|电子版说明书)吗？", "有的，在 lanhai.example.com/manuals ，按型号查找即可。"),
    ),
}

TOPICS = {"en": _EN, "zh": _ZH}
