"""The table: units that plants use, with their names and their codes in trade and OPC UA.

UCUM codes after ucum.org; the third column is UNECE Recommendation 20 as OPC UA uses it
(OPC 10000-8, 5.6.4.4, and the list that it points to). A unit that is not here can be used all
the same: only its code for OPC UA is missing then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["BY_CODE", "BY_UNECE", "TABLE", "Entry"]


class Entry(NamedTuple):
    """One unit of the table; `unece` is empty where Recommendation 20 has none."""

    code: str
    name: str
    unece: str


_ROWS: Final = """
1           one                                 C62
%           percent                             P1
[ppm]       part per million                    59
[ppb]       part per billion                    61
m           metre                               MTR
km          kilometre                           KMT
dm          decimetre                           DMT
cm          centimetre                          CMT
mm          millimetre                          MMT
um          micrometre                          4H
nm          nanometre                           C45
[in_i]      inch                                INH
[ft_i]      foot                                FOT
[yd_i]      yard                                YRD
[mi_i]      mile                                SMI
m2          square metre                        MTK
cm2         square centimetre                   CMK
mm2         square millimetre                   MMK
har         hectare                             HAR
[in_i]2     square inch                         INK
[ft_i]2     square foot                         FTK
m3          cubic metre                         MTQ
dm3         cubic decimetre                     DMQ
cm3         cubic centimetre                    CMQ
mm3         cubic millimetre                    MMQ
m3{normal}      normal cubic metre              NM3
m3{standard}    standard cubic metre            SM3
L           litre                               LTR
hL          hectolitre                          HLT
dL          decilitre                           DLT
cL          centilitre                          CLT
mL          millilitre                          MLT
uL          microlitre                          4G
[in_i]3     cubic inch                          INQ
[ft_i]3     cubic foot                          FTQ
[gal_us]    gallon (US)                         GLL
[gal_br]    gallon (UK)                         GLI
[foz_us]    fluid ounce (US)                    OZA
[bbl_us]    barrel (US)                         BLL
g           gram                                GRM
kg          kilogram                            KGM
mg          milligram                           MGM
ug          microgram                           MC
t           tonne                               TNE
[lb_av]     pound                               LBR
[oz_av]     ounce                               ONZ
[ston_av]   short ton                           STN
s           second                              SEC
ms          millisecond                         C26
us          microsecond                         B98
ns          nanosecond                          C47
min         minute                              MIN
h           hour                                HUR
d           day                                 DAY
wk          week                                WEE
mo          month                               MON
a           year                                ANN
Hz          hertz                               HTZ
kHz         kilohertz                           KHZ
MHz         megahertz                           MHZ
GHz         gigahertz                           A86
/s          reciprocal second                   C97
/min        reciprocal minute                   C94
/h          reciprocal hour                     H10
{revolution}/min  revolution per minute         RPM
{revolution}/s    revolution per second         RPS
{piece}     piece                               H87
K           kelvin                              KEL
Cel         degree Celsius                      CEL
[degF]      degree Fahrenheit                   FAH
[degR]      degree Rankine                      A48
K/min       kelvin per minute                   F11
K/h         kelvin per hour                     F10
rad         radian                              C81
deg         degree of angle                     DD
rad/s       radian per second                   2A
deg/s       degree per second                   E96
m/s         metre per second                    MTS
mm/s        millimetre per second               C16
cm/s        centimetre per second               2M
m/min       metre per minute                    2X
mm/min      millimetre per minute               H81
m/h         metre per hour                      M60
km/h        kilometre per hour                  KMH
[ft_i]/min  foot per minute                     FR
[ft_i]/s    foot per second                     FS
[mi_i]/h    mile per hour                       HM
[kn_i]      knot                                KNT
m/s2        metre per second squared            MSK
mm/s2       millimetre per second squared       M41
[g]         acceleration of free fall           K40
N           newton                              NEW
kN          kilonewton                          B47
MN          meganewton                          B73
mN          millinewton                         C20
[lbf_av]    pound-force                         C78
kgf         kilogram-force                      B37
N.m         newton metre                        NU
kN.m        kilonewton metre                    B48
N.cm        newton centimetre                   F88
mN.m        millinewton metre                   D83
[lbf_av].[ft_i]  pound-force foot               M92
[lbf_av].[in_i]  pound-force inch               F21
N/m         newton per metre                    4P
N/mm        newton per millimetre               F47
Pa          pascal                              PAL
hPa         hectopascal                         A97
kPa         kilopascal                          KPA
MPa         megapascal                          MPA
GPa         gigapascal                          A89
bar         bar                                 BAR
mbar        millibar                            MBR
atm         standard atmosphere                 ATM
att         technical atmosphere                ATT
[psi]       pound-force per square inch         PS
N/mm2       newton per square millimetre        C56
mm[Hg]      millimetre of mercury               HN
mm[H2O]     millimetre of water                 HP
cm[H2O]     centimetre of water                 H78
[in_i'Hg]   inch of mercury                     F79
[in_i'H2O]  inch of water                       F78
J           joule                               JOU
kJ          kilojoule                           KJO
MJ          megajoule                           3B
GJ          gigajoule                           GV
W.h         watt hour                           WHR
kW.h        kilowatt hour                       KWH
MW.h        megawatt hour                       MWH
GW.h        gigawatt hour                       GWH
cal_IT      calorie                             D70
kcal_IT     kilocalorie                         E14
[Btu_IT]    British thermal unit                BTU
W           watt                                WTT
kW          kilowatt                            KWT
MW          megawatt                            MAW
mW          milliwatt                           C31
[Btu_IT]/h  British thermal unit per hour       2I
V.A         volt ampere                         D46
kV.A        kilovolt ampere                     KVA
MV.A        megavolt ampere                     MVA
V.A{reactive}   var                             D44
kV.A{reactive}  kilovar                         KVR
MV.A{reactive}  megavar                         MAR
V           volt                                VLT
kV          kilovolt                            KVT
mV          millivolt                           2Z
A           ampere                              AMP
mA          milliampere                         4K
uA          microampere                         B84
kA          kiloampere                          B22
A.h         ampere hour                         AMH
mA.h        milliampere hour                    E09
C           coulomb                             COU
Ohm         ohm                                 OHM
kOhm        kiloohm                             B49
MOhm        megaohm                             B75
mOhm        milliohm                            E45
S           siemens                             SIE
mS/cm       millisiemens per centimetre         H61
uS/cm       microsiemens per centimetre         G42
S/m         siemens per metre                   D10
F           farad                               FAR
uF          microfarad                          4O
nF          nanofarad                           C41
H           henry                               81
mH          millihenry                          C14
T           tesla                               D33
mT          millitesla                          C29
Wb          weber                               WEB
m3/s        cubic metre per second              MQS
m3/min      cubic metre per minute              G53
m3/h        cubic metre per hour                MQH
m3/d        cubic metre per day                 G52
m3{normal}/h    normal cubic metre per hour     Q40
m3{standard}/h  standard cubic metre per hour   Q38
L/s         litre per second                    G51
L/min       litre per minute                    L2
L/h         litre per hour                      E32
mL/min      millilitre per minute               41
mL/s        millilitre per second               40
[gal_us]/min    gallon (US) per minute          G2
[ft_i]3/min     cubic foot per minute           2L
kg/s        kilogram per second                 KGS
kg/min      kilogram per minute                 F31
kg/h        kilogram per hour                   E93
g/s         gram per second                     F29
g/min       gram per minute                     F28
g/h         gram per hour                       F27
t/h         tonne per hour                      E18
[lb_av]/h   pound per hour                      4U
kg/m3       kilogram per cubic metre            KMQ
kg/L        kilogram per litre                  B35
g/L         gram per litre                      GL
g/cm3       gram per cubic centimetre           23
g/m3        gram per cubic metre                A93
mg/L        milligram per litre                 M1
ug/L        microgram per litre                 H29
mg/m3       milligram per cubic metre           GP
ug/m3       microgram per cubic metre           GQ
mg/kg       milligram per kilogram              NA
g/m2        gram per square metre               GM
kg/m2       kilogram per square metre           28
g/m         gram per metre                      GF
Pa.s        pascal second                       C65
mPa.s       millipascal second                  C24
cP          centipoise                          C7
mm2/s       square millimetre per second        C17
cSt         centistokes                         4C
mol         mole                                C34
mmol/L      millimole per litre                 M33
mol/L       mole per litre                      C38
g/mol       gram per mole                       A94
kJ/kg       kilojoule per kilogram              B42
kJ/(kg.K)   kilojoule per kilogram kelvin       B43
W/m2        watt per square metre               D54
W/(m2.K)    watt per square metre kelvin        D55
W/(m.K)     watt per metre kelvin               D53
lx          lux                                 LUX
lm          lumen                               LUM
cd          candela                             CDL
dB          decibel                             2N
[pH]        pH                                  Q30
[NTU]       nephelometric turbidity unit
bit         bit                                 A99
By          byte                                AD
kBy         kilobyte                            2P
MBy         megabyte                            4L
Bq          becquerel                           BQL
Sv          sievert                             D13
mSv/h       millisievert per hour               P71
"""


def _entry(row: str) -> Entry:
    """One row: the code, then the name; the UNECE code stands after two blanks or more."""
    code, _, rest = row.partition(" ")
    name, _, unece = rest.strip().partition("  ")
    return Entry(code, name, unece.strip())


TABLE: Final = tuple(_entry(row) for row in _ROWS.strip().splitlines())
BY_CODE: Final[Mapping[str, Entry]] = {entry.code: entry for entry in TABLE}
#: The way back; Recommendation 20 has two codes for some units, and both are understood.
BY_UNECE: Final[Mapping[str, Entry]] = {
    **{entry.unece: entry for entry in TABLE if entry.unece},
    "KTM": BY_CODE["km"],
    "K5": BY_CODE["kV.A{reactive}"],
    "M46": BY_CODE["{revolution}/min"],
}
