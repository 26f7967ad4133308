"""The refusals of sheets that come in, each with a stable code.

Invariant: details name columns, states and words of ours only, never what somebody typed into a cell.
"""

from config import errors


class ImportRefused(errors.Invalid):
    """The file is no spreadsheet that is taken; `details.reason` is a word of `config.spreadsheets.REASONS`."""

    code = "import.refused"
    message = "这个文件不能导入"


class ImportColumnsWrong(errors.Invalid):
    """The heading is not that of the template: columns are `missing`, `unknown` or `repeated`."""

    code = "import.columns_wrong"
    message = "列名与模板不符"


class ImportUnknown(errors.NotFound):
    """There is no such import, or it is somebody else's."""

    code = "import.not_found"
    message = "没有找到这次导入"


class ImportMoved(errors.Conflict):
    """The import is not in the state that this needs; `details.state` is the one that it is in."""

    code = "import.moved"
    message = "这次导入已经不在这一步，请刷新页面"


class ImportEmpty(errors.Conflict):
    """No row of the import would change anything."""

    code = "import.nothing_to_apply"
    message = "没有可以应用的行"
