"""The refusals around second factors that accounts are given by who has them, each with a stable code."""

from config.errors import Conflict, Forbidden


class SecondFactorRequired(Forbidden):
    """What is sealed opens only for an account with a second factor, which whoever is logged in has then shown."""

    code = "staff.second_factor_required"
    message = "打开农户姓名和电话之前，请先为您的账号启用动态验证码"


class SecondFactorStanding(Conflict):
    """The account has a second factor already; another one is given by an administrator."""

    code = "staff.second_factor_standing"
    message = "您的账号已启用动态验证码；换手机请联系管理员重新绑定"
