"""Texts of the demo: descriptions, results and answers in the words of the trade, by service. All are invented."""

from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple

from domain.case.actions.complete import Complete


class Work(NamedTuple):
    """Result of work, and the finding (查实事项) that the crew states; None: no finding fits."""

    result: str
    finding: str | None = None

    def completion(self, accepted: Container[str]) -> Complete:
        """Return the body of `complete`, without a finding that the catalogue does not have."""
        findings = (self.finding,) if self.finding and self.finding in accepted else ()
        return Complete(result=self.result, findings=findings)


@dataclass(frozen=True)
class Words:
    """Texts for one service: what callers say, what crews find and do, and what the agent replies."""

    said: tuple[str, ...]
    done: tuple[Work, ...]
    told: str


_OTHERWISE = Words(
    said=("来电反映用水问题，要求尽快处理。", "来电要求跟进用水事宜。"),
    done=(Work("已到现场核实并处理完毕。"), Work("已联系用户核实，问题已解决。")),
    told="您反映的问题已处理完毕，感谢您的来电。",
)

_WORDS = {
    "burst_main": Words(
        said=("路面大量冒水，水柱约一米高，影响行车。", "施工挖断供水管，水浸人行道。", "消防栓被车撞断，大量喷水。"),
        done=(
            Work("已关阀止水，更换破损管段两米，冲洗后恢复供水。", "pipe_aged"),
            Work("施工挖断的管段已修复，路面已恢复，供水正常。", "third_party_damage"),
        ),
        told="爆管已抢修完毕，恢复供水初期水可能略带黄色，请放水片刻后使用。",
    ),
    "leak": Words(
        said=("水表接口处漏水，表箱积水。", "天台水箱浮球阀失灵，溢流不止。", "楼梯间立管接头渗水。"),
        done=(
            Work("水表漏水，已更换水表，试压不漏。", "meter_faulty"),
            Work("更换立管管件一个，现场不再渗水。", "pipe_aged"),
        ),
        told="漏水点已修好，请留意水表读数，如有异常请再来电。",
    ),
    "no_water": Words(
        said=("全屋没有水，邻居家有水。", "早上起床发现没水，没有收到停水通知。", "整栋楼停水，住户已等候两小时。"),
        done=(
            Work("表前阀门故障，更换后恢复供水。", "valve_faulty"),
            Work("附近施工挖断支管，修复后恢复供水。", "third_party_damage"),
        ),
        told="已恢复供水，给您带来不便，请谅解。",
    ),
    "secondary_supply": Words(
        said=("小区泵房停机，七楼以上无水。", "高层水压忽大忽小，泵房有异响。", "泵房跳闸，全小区高区停水。"),
        done=(
            Work("更换变频器，泵组恢复自动运行。", "secondary_supply_faulty"),
            Work("修复泵房电源，供水恢复正常。", "secondary_supply_faulty"),
        ),
        told="小区二次供水设备已修复，高区供水恢复正常。",
    ),
    "manhole_cover": Words(
        said=("路中水表井盖不见了，夜间行人危险。", "阀门井盖破裂，车辆经过有响声。", "人行道井盖被盗。"),
        done=(Work("现场设置围栏并更换井盖。"), Work("更换防盗井盖，已复位。")),
        told="井盖已补装，感谢您及时告知。",
    ),
    "water_quality": Words(
        said=("自来水发黄，有沉淀。", "水有较重的氯味。", "水中有白色小颗粒，要求检测。", "水有咸味，担心是咸潮。"),
        done=(
            Work("取样检测各项指标合格，已排放管网末梢。", "no_fault_found"),
            Work("冲洗支管，复检浊度合格。", "pipe_aged"),
        ),
        told="水样检测合格，如仍有异常请保留水样并再来电。",
    ),
    "low_pressure": Words(
        said=("用水高峰期水很小，热水器打不着火。", "三楼水压一直偏低。", "近一周水压明显变小。"),
        done=(
            Work("户内滤网堵塞，协助清洗后末端压力恢复至 0.22 兆帕。", "customer_pipe"),
            Work("区域阀门故障，更换后压力恢复正常。", "valve_faulty"),
        ),
        told="水压已恢复，如高峰期仍偏低请再来电。",
    ),
    "pipe_renewal": Words(
        said=("小区水管用了三十多年，经常爆漏，申请改造。", "旧镀锌管生锈，水时常发黄，询问何时改造。"),
        done=(Work("已现场勘查，列入明年改造计划。", "pipe_aged"), Work("已更换楼栋立管，试压不漏。", "pipe_aged")),
        told="您小区的老旧管道已勘查，改造安排会另行通知。",
    ),
    "billing": Words(
        said=("本月水费比上月多一倍，要求核查读数。", "没有收到账单，查询欠费金额。", "怀疑抄表员估抄。"),
        done=(
            Work("现场复核读数无误，户内马桶漏水，已告知用户。", "customer_pipe"),
            Work("核实抄表有误，已更正并退回多收水费。", "misread_meter"),
        ),
        told="读数已复核，处理结果已短信发送，请查收。",
    ),
    "service_complaint": Words(
        said=("营业厅排队一小时，工作人员态度差。", "约好上门换表，无人前来也无电话。", "多次来电未得到答复。"),
        done=(Work("已向当事人核实，对责任人批评教育并致歉。"), Work("已重新预约上门时间，并由班长致电道歉。")),
        told="对给您带来的不快深表歉意，我们已整改并加强培训。",
    ),
    "inquiry": Words(
        said=("咨询过户需要哪些资料。", "咨询阶梯水价如何计算。", "咨询一户多人口如何申请增加用水量。"),
        done=(Work("已整理办理资料清单并发送用户。"), Work("已向用户说明计价办法。")),
        told="过户请带身份证、房产证明和近期水费单到就近营业厅，也可网上办理。",
    ),
    "waiver": Words(
        said=("低保户申请减免漏水期间水费。", "独居老人户内水管老化，无力更换，请求帮助。", "申请免除欠费违约金。"),
        done=(Work("核实低保证明，按审批意见办理。"), Work("现场核实困难情况，按审批意见更换管件。", "customer_pipe")),
        told="您的申请已按公司决定办理，详情请看短信。",
    ),
    "thanks": Words(
        said=("表扬抢修队深夜冒雨抢修。", "感谢话务员耐心解答。", "春节来电致谢，感谢去年的帮助。"),
        done=(Work("已记录并转告当事人。"),),
        told="谢谢您的鼓励，我们会转告同事。",
    ),
}

_SURNAMES = "陈李梁黄何林吴冯郑刘周杨谭罗梁蔡郭潘萧麦"
_STREETS = ("人民路", "兴华街", "安栏路", "富康路", "悦来路", "光明路", "翠景道", "康华路", "顺景街", "长堤路")


def words(service_code: str) -> Words:
    """Return the texts for a service; general ones for a service that the demo does not know."""
    return _WORDS.get(service_code, _OTHERWISE)


def caller_name(pick: int) -> str:
    """Return a caller's name as an agent writes it down."""
    return _SURNAMES[pick % len(_SURNAMES)] + ("先生", "女士")[pick // len(_SURNAMES) % 2]


def phone(place: int) -> str:
    """Return a number that cannot exist: after the area code no Chinese number starts with 0."""
    return f"0760-0000{place % 10_000:04d}"


def address(district_zh: str, pick: int) -> str:
    """Return an address in the district."""
    return f"{district_zh}{_STREETS[pick % len(_STREETS)]}{pick % 97 + 1}号"
